"""The processes that take one fit together, and what they tell each other."""
