"""Tests that are not handed out: the cells at random weights, against their equations."""
