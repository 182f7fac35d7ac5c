"""What the tests that cross modules share: real servers, databases, waiting."""
