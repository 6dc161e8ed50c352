"""One module a format; a new file here is a new format."""
