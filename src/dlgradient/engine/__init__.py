"""The engine: `dlarray`, the evaluation that traces, and the walks that differentiate."""
