"""What emitted modules are made of: text that is copied into them as it stands, or read with NumPy's names."""
