"""What stands around the pages: sign-in and sign-out over HTTP, and the headers of every answer."""
