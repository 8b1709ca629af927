"""Simulated partners of the gateway, for the demo and for trying it out: enterprises, providers, customers.

They know the gateway by its topics, addresses and messages only; nothing here touches its database.
"""
