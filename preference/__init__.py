"""The room of step 2: pairs to token ids, checkpoint to policy and reference, training with TRL, saving."""
