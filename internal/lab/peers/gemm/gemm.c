/* Times float32 products of a BLAS library that it loads: OpenBLAS as the package
 * scipy-openblas32 ships it, or oneDNN. The shapes and the method are those of
 * laminabench gemm: operands that stay in place, samples of about 1.5 ms, their
 * median, and the peak of multiply-adds measured beside each sample.
 *
 * usage: gemm openblas|onednn LIBRARY THREADS SECONDS [PREFIX]
 *
 * Prints one line of JSON for each shape whose name begins with PREFIX. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
	char name[24];
	const char *op;
	int m, n, k;
} shape;

/* NN is A*B; in NT the B in memory is [n k], in TN the A in memory is [k m]. */
static int shapes_of(shape *s)
{
	static const shape rest[] = {
		{"sq.s64", "NN", 64, 64, 64}, {"sq.s128", "NN", 128, 128, 128},
		{"sq.s256", "NN", 256, 256, 256}, {"sq.s512", "NN", 512, 512, 512},
		{"sq.s1024", "NN", 1024, 1024, 1024}, {"sq.s2048", "NN", 2048, 2048, 2048},
		{"conv.c1nchw", "NN", 16, 200704, 9}, {"conv.c1nhwc", "NN", 200704, 16, 9},
		{"conv.c2nchw", "NN", 32, 50176, 144}, {"conv.c2nhwc", "NN", 50176, 32, 144},
		{"conv.c2dw", "TN", 144, 32, 50176},
		{"tf.qkv", "NN", 256, 576, 192}, {"tf.ff1", "NN", 256, 768, 192}, {"tf.ff2", "NN", 256, 192, 768},
		{"tf.ff1dx", "NT", 256, 192, 768}, {"tf.ff1dw", "TN", 192, 768, 256},
	};
	static const int rows[] = {32, 256, 1024};
	int count = 0;
	for (int i = 0; i < 3; i++) {
		int b = rows[i];
		const shape ae[] = {
			{"fwd1", "NN", b, 100, 784}, {"fwd2", "NN", b, 30, 100}, {"fwd3", "NN", b, 100, 30}, {"fwd4", "NN", b, 784, 100},
			{"dx4", "NT", b, 100, 784}, {"dx3", "NT", b, 30, 100}, {"dx2", "NT", b, 100, 30},
			{"dw4", "TN", 100, 784, b}, {"dw3", "TN", 30, 100, b}, {"dw2", "TN", 100, 30, b}, {"dw1", "TN", 784, 100, b},
		};
		for (size_t j = 0; j < sizeof ae / sizeof *ae; j++) {
			s[count] = ae[j];
			snprintf(s[count++].name, sizeof s->name, "ae%d.%.8s", b, ae[j].name);
		}
	}
	memcpy(s + count, rest, sizeof rest);
	return count + (int)(sizeof rest / sizeof *rest);
}

typedef void (*cblas_sgemm)(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda,
			    const float *b, int ldb, float beta, float *c, int ldc);
typedef int (*dnnl_sgemm)(char ta, char tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
			  const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

static cblas_sgemm blas;
static dnnl_sgemm dnnl;

static void product(const shape *s, const float *a, const float *b, float *c)
{
	int ta = s->op[0] == 'T', tb = s->op[1] == 'T';
	int lda = ta ? s->m : s->k, ldb = tb ? s->k : s->n;
	if (blas)
		blas(101, ta ? 112 : 111, tb ? 112 : 111, s->m, s->n, s->k, 1, a, lda, b, ldb, 0, c, s->n);
	else
		dnnl(ta ? 'T' : 'N', tb ? 'T' : 'N', s->m, s->n, s->k, 1, a, lda, b, ldb, 0, c, s->n);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + 1e-9 * t.tv_nsec;
}

/* Built for the machine it runs on, which says how wide a vector is. */
#ifdef __AVX512F__
#define WIDTH 16
#elif defined __AVX__
#define WIDTH 8
#else
#define WIDTH 4
#endif
typedef float vec __attribute__((vector_size(4 * WIDTH)));
enum { CHAINS = 12 };

/* peak measures the multiply-adds of one core for so many seconds, in GFLOP/s:
 * the best of bursts long enough that reading the clock does not count. */
static double peak(double seconds)
{
	enum { ROUNDS = 12000 };
	static volatile float sink;
	volatile float near = 0.999f, small = 0.001f;
	vec x[CHAINS], m = (vec){0} + near, a = (vec){0} + small;
	double top = 0;
	for (int i = 0; i < CHAINS; i++)
		x[i] = a * (float)i;
	for (double end = now() + seconds, began = now(); began < end;) {
		for (int r = 0; r < ROUNDS; r++) {
#pragma GCC unroll 12
			for (int i = 0; i < CHAINS; i++)
				x[i] = x[i] * m + a;
		}
		double ended = now(), rate = 2.0 * CHAINS * WIDTH * ROUNDS / (ended - began) / 1e9;
		top = rate > top ? rate : top;
		began = ended;
	}
	for (int i = 0; i < CHAINS; i++)
		sink = sink + x[i][0];
	return top;
}

static double sample(const shape *s, const float *a, const float *b, float *c, long calls)
{
	double began = now();
	for (long i = 0; i < calls; i++)
		product(s, a, b, c);
	return now() - began;
}

static int ascending(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;
	return (a > b) - (a < b);
}

static double median(double *v, int n)
{
	qsort(v, n, sizeof *v, ascending);
	return (v[(n - 1) / 2] + v[n / 2]) / 2;
}

static float *operand(size_t n)
{
	float *x = aligned_alloc(64, (n * sizeof *x + 63) / 64 * 64);
	uint32_t r = 1;
	if (!x) {
		perror("gemm");
		exit(1);
	}
	for (size_t i = 0; i < n; i++) {
		r = r * 1664525 + 1013904223;
		x[i] = (int32_t)r * 0x1p-31f;
	}
	return x;
}

static void *symbol(void *library, const char *name)
{
	void *p = dlsym(library, name);
	if (!p) {
		fprintf(stderr, "gemm: the library has no %s\n", name);
		exit(1);
	}
	return p;
}

/* load finds the library's product and says which version and kernels it is. */
static void load(const char *kind, const char *path, int threads, char *version, size_t size)
{
	void *l = dlopen(path, RTLD_NOW);
	if (!l) {
		fprintf(stderr, "gemm: %s\n", dlerror());
		exit(1);
	}
	if (!strcmp(kind, "openblas")) {
		blas = (cblas_sgemm)symbol(l, "scipy_cblas_sgemm");
		((void (*)(int))symbol(l, "scipy_openblas_set_num_threads"))(threads);
		char config[64];
		snprintf(config, sizeof config, "%s", ((char *(*)(void))symbol(l, "scipy_openblas_get_config"))());
		char *word = strtok(config, " "), *number = strtok(NULL, " ");
		snprintf(version, size, "%s %s", number ? number : word, ((char *(*)(void))symbol(l, "scipy_openblas_get_corename"))());
	} else {
		const struct { int major, minor, patch; } *v = ((const void *(*)(void))symbol(l, "dnnl_version"))();
		dnnl = (dnnl_sgemm)symbol(l, "dnnl_sgemm");
		snprintf(version, size, "%d.%d.%d", v->major, v->minor, v->patch);
	}
}

int main(int argc, char **argv)
{
	if (argc < 5 || (strcmp(argv[1], "openblas") && strcmp(argv[1], "onednn"))) {
		fprintf(stderr, "usage: gemm openblas|onednn LIBRARY THREADS SECONDS [PREFIX]\n");
		return 2;
	}
	int threads = atoi(argv[3]);
	double seconds = atof(argv[4]);
	const char *prefix = argc > 5 ? argv[5] : "";
	if (threads < 1 || threads > CPU_SETSIZE || !(seconds > 0)) {
		fprintf(stderr, "gemm: threads from 1 to %d and seconds above 0 are wanted\n", CPU_SETSIZE);
		return 2;
	}

	/* oneDNN takes its threads from the processors it sees at its first product:
	 * it sees as many as are wanted, and then everything again. */
	cpu_set_t all, some;
	CPU_ZERO(&some);
	sched_getaffinity(0, sizeof all, &all);
	for (int i = 0, n = 0; i < CPU_SETSIZE && n < threads; i++)
		if (CPU_ISSET(i, &all)) {
			CPU_SET(i, &some);
			n++;
		}
	sched_setaffinity(0, sizeof some, &some);
	char version[128], number[16];
	snprintf(number, sizeof number, "%d", threads);
	setenv("OMP_NUM_THREADS", number, 1);
	load(argv[1], argv[2], threads, version, sizeof version);
	shape s[64], first = {"first", "NN", 256, 256, 256};
	float *x = operand(256 * 256), *y = operand(256 * 256);
	product(&first, x, x, y);
	sched_setaffinity(0, sizeof all, &all);

	int count = shapes_of(s);
	for (int i = 0; i < count; i++) {
		if (strncmp(s[i].name, prefix, strlen(prefix)))
			continue;
		size_t m = s[i].m, n = s[i].n, k = s[i].k;
		float *a = operand(m * k), *b = operand(k * n), *c = operand(m * n);
		long calls = 1;
		for (;; calls *= 2) {
			double took = sample(&s[i], a, b, c, calls);
			if (took >= 0.75e-3) {
				calls = calls * 1.5e-3 / took;
				calls = calls < 1 ? 1 : calls;
				break;
			}
		}
		enum { MOST = 1 << 14 };
		static double us[MOST], peaks[MOST];
		int taken = 0;
		for (double end = now() + seconds; taken < MOST && (taken < 3 || now() < end); taken++) {
			us[taken] = 1e6 * sample(&s[i], a, b, c, calls) / calls;
			peaks[taken] = peak(0.1e-3) * threads;
		}
		double t = median(us, taken), top = median(peaks, taken), gflops = 2.0 * m * n * k / t / 1e3;
		printf("{\"peer\":\"%s\",\"version\":\"%s\",\"shape\":\"%s\",\"op\":\"%s\",\"m\":%zu,\"n\":%zu,\"k\":%zu,\"threads\":%d,"
		       "\"us\":%.3f,\"gflops\":%.2f,\"peak_gflops\":%.2f,\"of_peak\":%.4f}\n",
		       argv[1], version, s[i].name, s[i].op, m, n, k, threads, t, gflops, top, gflops / top);
		fflush(stdout);
		free(a);
		free(b);
		free(c);
	}
	return 0;
}
