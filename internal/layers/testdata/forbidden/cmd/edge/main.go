package main

import (
	_ "github.com/holdfast-edge/holdfast/edge"
)
