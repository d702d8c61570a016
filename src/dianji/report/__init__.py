"""What is known of a model, as a page that people read: sections tell, writers write."""
