"""Pure Python: how deals are compared and how the result is spelled."""
