"""The SymPy view of a loss: for people to read and for algebra to work on. The graph stays what is computed."""
