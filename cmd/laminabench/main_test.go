package main

import (
	"os"
	"testing"

	"github.com/lamina-ml/lamina/internal/command/commandtest"
)

func TestMain(m *testing.M) { os.Exit(commandtest.Main(m, main)) }

// laminabench runs the command with variables added to the environment.
func laminabench(t *testing.T, env []string, args ...string) commandtest.Result {
	t.Helper()
	return commandtest.Run(t, env, args...)
}
