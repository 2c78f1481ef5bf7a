"""What Stage B is trained on: pairs as token ids, in batches, with what the reference says of them."""
