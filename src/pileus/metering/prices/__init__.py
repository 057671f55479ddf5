"""The price lists, one file each."""
