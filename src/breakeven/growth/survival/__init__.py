"""Curves of an absorbing exit: how long customers under contract stay."""
