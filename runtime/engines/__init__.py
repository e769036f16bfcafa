"""Engine drivers, one a file. `scripted` needs nothing; `vllm` imports vLLM when an engine is made, and not before."""
