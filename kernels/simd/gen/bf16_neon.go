package main

func (a *arm) bf16Family() {}
