"""What was used, what it costs: usage records, price lists, the bill."""
