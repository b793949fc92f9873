"""What each command of study.py does: wires servers, loadtests, analysis and bundle together."""
