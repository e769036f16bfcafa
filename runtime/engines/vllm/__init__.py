"""vLLM's offline engine. vLLM is imported when an engine is made, and not before."""
