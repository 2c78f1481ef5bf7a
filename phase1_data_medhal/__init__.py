"""The shipped notes, and the script that wrote them."""
