package train

import (
	"fmt"
	"runtime"

	"github.com/lamina-ml/lamina/kernels/simd"
)

// machine says what trains: the CPU, the cores that this process may use, the system and
// the kernels. It names no host and no user.
func (t *Trainer) machine() string {
	cpu := simd.CPU()
	name := cpu.Identity.Name
	if name == "" {
		name = cpu.Arch
	}
	cores := "1 core"
	if cpu.Cores != 1 {
		cores = fmt.Sprintf("%d cores", cpu.Cores)
	}
	return fmt.Sprintf("%s, %s, %s/%s, %s", name, cores, runtime.GOOS, runtime.GOARCH, t.kernels())
}
