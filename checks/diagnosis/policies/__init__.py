"""NetworkPolicies: what they decide, whom they admit, and what really gets through."""
