"""What could fail tonight: everything that a run would refuse, and what people should know before it comes to that."""
