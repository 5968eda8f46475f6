"""The loop that makes a host match its NodeSpec."""
