"""Every fault, met in every way of calling."""
