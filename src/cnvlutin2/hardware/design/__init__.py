"""The design in Amaranth: a module of hardware a file, named as in the model."""
