"""The first order, in ten lines: buy 100 AAPL at nasdaq and print what is reported until the order is final."""

import os

from gateway.client import Client

with Client.connect(os.environ.get("PORTCULLIS_ADDR", "127.0.0.1:7001"), key_file="examples/demo.key") as gw:
    order = gw.new_order("AAPL", "buy", 100, price="187.25", venue="nasdaq", account="DEMO")
    for report in order.reports(timeout_s=5):  # ends by itself at a final state
        print(report)
