"""No models: the stand-in knows no addresses of weights."""
