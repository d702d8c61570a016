"""Reports about models as pages for people: sections make blocks, writers write them."""
