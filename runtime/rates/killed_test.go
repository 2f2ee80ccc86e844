package rates

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/lamina-ml/lamina/runtime/train"
)

// childDir is the folder of the search of a child process.
const childDir = "LAMINA_RATES_DIR"

// TestSearchKilled: a search that is killed again and again finds what one finds that was left alone.
func TestSearchKilled(t *testing.T) {
	rows, o, so := points(60), slow(), small()
	so.By = train.Greatest("accuracy")
	if so.Dir = os.Getenv(childDir); so.Dir != "" {
		so.Progress = func(Progress) { time.Sleep(20 * time.Millisecond) }
		mustSearch(t, classifier, rows, o, so)
		return
	}
	want := encoded(t, mustSearch(t, classifier, rows, o, so))
	so.Dir = filepath.Join(t.TempDir(), "search")
	killed, kept := 0, int64(0)
	for try := range 4 {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSearchKilled$")
		child.Env = append(os.Environ(), childDir+"="+so.Dir)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- child.Wait() }()
		select {
		case err := <-done:
			if err != nil {
				t.Fatalf("the child failed: %v", err)
			}
		case <-time.After(time.Duration(100+70*try) * time.Millisecond):
			_ = child.Process.Kill()
			<-done
			killed++
		}
		if st, err := os.Stat(filepath.Join(so.Dir, ledgerName)); err == nil {
			if st.Size() < kept {
				t.Errorf("after kill %d there are %d bytes of scores, before it there were %d", killed, st.Size(), kept)
			}
			kept = st.Size()
		}
	}
	if got := encoded(t, mustSearch(t, classifier, rows, o, so)); got != want {
		t.Errorf("after %d kills:\n%s\nleft alone:\n%s", killed, got, want)
	}
	t.Logf("killed %d times", killed)
}
