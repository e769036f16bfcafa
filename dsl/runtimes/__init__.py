"""`Runtime`: an engine for a model, with its journal, and the choice of the one a call goes to."""
