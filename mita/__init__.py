"""The mita command: the composition root over every room."""
