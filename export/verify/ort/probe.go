//go:build cgo && !windows

package ort

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

// The head of OrtApiBase, which is the same in every release.
typedef struct {
	const void *(*get_api)(unsigned int);
	const char *(*version)(void);
} lamina_ort_base;

// lamina_ort_probe opens a library and returns its handle. Either *version or
// *problem is set, to be freed. It does not ask for an API: onnxruntime prints
// to stderr when that is one it does not have.
static void *lamina_ort_probe(const char *path, char **version, char **problem) {
	void *handle = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
	if (!handle) {
		const char *e = dlerror();
		*problem = strdup(e ? e : "dlopen failed");
		return NULL;
	}
	const lamina_ort_base *(*base)(void) = (const lamina_ort_base *(*)(void))dlsym(handle, "OrtGetApiBase");
	const lamina_ort_base *b = base ? base() : NULL;
	const char *v = b ? b->version() : NULL;
	if (!v) {
		dlclose(handle);
		*problem = strdup("not an onnxruntime library");
		return NULL;
	}
	*version = strdup(v);
	return handle;
}
*/
import "C"

import (
	"errors"
	"strings"
	"unsafe"
)

// probe opens the library at path, or one the system finds by that name, and
// returns its version. It stays open until release is called.
func probe(path string) (version string, release func(), err error) {
	cpath := C.CString(path)
	defer C.free(unsafe.Pointer(cpath))
	var v, problem *C.char
	handle := C.lamina_ort_probe(cpath, &v, &problem)
	defer C.free(unsafe.Pointer(v))
	defer C.free(unsafe.Pointer(problem))
	if handle == nil {
		// dlerror's text may have lines, and mostly names the file.
		text := strings.Join(strings.Fields(C.GoString(problem)), " ")
		if !strings.Contains(text, path) {
			text = path + ": " + text
		}
		return "", nil, errors.New(text)
	}
	return C.GoString(v), func() { C.dlclose(handle) }, nil
}
