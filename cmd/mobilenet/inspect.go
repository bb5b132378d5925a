package main

import "github.com/spf13/cobra"

func (a *app) inspect() *cobra.Command { return &cobra.Command{Use: "inspect"} }
