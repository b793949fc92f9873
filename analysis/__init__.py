"""From recorded trials to tables, figures and a recommendation."""
