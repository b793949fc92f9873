"""What is compared: one folder a server, one classifier shared by all of them."""
