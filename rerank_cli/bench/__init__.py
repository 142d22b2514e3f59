"""Speed, beside every installed peer."""
