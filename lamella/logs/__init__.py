"""What functions print, appended to streams as AWS names them."""
