"""The parts that importers are made of."""
