/* The kernels as a Python module: each function takes NumPy arrays, checks them, and computes without Python's lock.
 *
 * Compiled once for each instruction set, under the name MODULE, with the FINGERPRINT of these sources. Types are checked here; that shapes fit together is
 * left to the Python files in the folder above.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#include <numpy/arrayobject.h>

#include "activation.h"
#include "contract.h"
#include "gather.h"
#include "matrix_vector.h"
#include "norm.h"
#include "pool.h"
#include "softmax.h"
#include "sums.h"
#include "threads.h"
#include "update.h"
#include "transpose.h"
#include "warp.h"
#include "weight_gradient.h"
#include "winograd.h"

typedef struct {
    void *data;     /* of an array; NULL for None */
    int64_t size;   /* of an array, in elements */
    double number;
    int64_t whole;
} Argument;

/* A C-contiguous array of `type` in the machine's byte order. */
static int read_array(PyObject *object, int type, Argument *argument) {
    PyArrayObject *array = (PyArrayObject *)object;
    if (!PyArray_Check(object) || PyArray_TYPE(array) != type || !PyArray_IS_C_CONTIGUOUS(array) ||
        !PyArray_ISNOTSWAPPED(array)) {
        PyErr_Format(PyExc_TypeError, "expected a C-contiguous array of NumPy's type %d, given %.200R", type, object);
        return 0;
    }
    argument->data = PyArray_DATA(array);
    argument->size = PyArray_SIZE(array);
    return 1;
}

/* Reads one argument of a kind: 'r' an array of `real`, 'o' the same or None, 'i' of int64, 'b' of uint8, 'u' the same
 * or None, 'n' a number, 'w' a whole number. */
static int read_argument(PyObject *object, char kind, int real, Argument *argument) {
    *argument = (Argument){0};
    switch (kind) {
    case 'o': return object == Py_None || read_array(object, real, argument);
    case 'r': return read_array(object, real, argument);
    case 'i': return read_array(object, NPY_INT64, argument);
    case 'u': return object == Py_None || read_array(object, NPY_UINT8, argument);
    case 'b': return read_array(object, NPY_UINT8, argument);
    case 'n': argument->number = PyFloat_AsDouble(object); break;
    case 'w': argument->whole = PyLong_AsLongLong(object); break;
    }
    return PyErr_Occurred() == NULL;
}

/* Reads arguments of these kinds; the last is a real array, the one that is written to. Returns its type, float32 or
 * float64; -1, with an exception set, where an argument is of another kind. */
static int read_arguments(PyObject *const *objects, Py_ssize_t count, const char *kinds, Argument *arguments) {
    if (count != (Py_ssize_t)strlen(kinds)) {
        PyErr_Format(PyExc_TypeError, "expected %zu arguments, given %zd", strlen(kinds), count);
        return -1;
    }
    PyObject *last = objects[count - 1];
    int real = PyArray_Check(last) ? PyArray_TYPE((PyArrayObject *)last) : NPY_NOTYPE;
    real = real == NPY_FLOAT64 ? NPY_FLOAT64 : NPY_FLOAT32;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!read_argument(objects[i], kinds[i], real, arguments + i)) {
            return -1;
        }
    }
    return real;
}

/* A function of the module: KERNEL(name, kinds of arguments, what name_float and name_double are called with). */
#define KERNEL(name, kinds, ...)                                                                                    \
    static PyObject *py_##name(PyObject *self, PyObject *const *objects, Py_ssize_t count) {                        \
        (void)self;                                                                                                 \
        Argument a[sizeof(kinds) - 1];                                                                              \
        int real = read_arguments(objects, count, kinds, a);                                                        \
        if (real < 0) {                                                                                             \
            return NULL;                                                                                            \
        }                                                                                                           \
        Py_BEGIN_ALLOW_THREADS                                                                                      \
        if (real == NPY_FLOAT32) {                                                                                  \
            name##_float(__VA_ARGS__);                                                                              \
        } else {                                                                                                    \
            name##_double(__VA_ARGS__);                                                                             \
        }                                                                                                           \
        Py_END_ALLOW_THREADS                                                                                        \
        Py_RETURN_NONE;                                                                                             \
    }

KERNEL(contract, "irrowr", a[0].data, a[1].data, a[2].data, a[3].data, (int)a[4].whole, a[5].data)
KERNEL(matrix_vector, "rwwrowr", a[0].data, a[1].whole, a[2].whole, a[3].data, a[4].data, (int)a[5].whole, a[6].data)
KERNEL(transpose, "rwwr", a[0].data, a[1].whole, a[2].whole, a[3].data)
KERNEL(weight_gradient, "irror", a[0].data, a[1].data, a[2].data, a[3].data, a[4].data)
KERNEL(winograd, "irrowrr", a[0].data, a[1].data, a[2].data, a[3].data, (int)a[4].whole, a[5].data, a[6].data)
KERNEL(winograd_weight, "irrrr", a[0].data, a[1].data, a[2].data, a[3].data, a[4].data)
KERNEL(pool_max, "iruwr", a[0].data, a[1].data, a[2].data, (int)a[3].whole, a[4].data)
KERNEL(pool_max_backward, "irbr", a[0].data, a[1].data, a[2].data, a[3].data)
KERNEL(pool_average, "irrr", a[0].data, a[1].data, a[2].data, a[3].data)
KERNEL(pool_average_backward, "irrr", a[0].data, a[1].data, a[2].data, a[3].data)
KERNEL(cross_entropy, "riwnnorr", a[0].data, a[1].data, a[2].whole, a[1].size, a[3].number, a[4].number, a[5].data,
       a[6].data, a[7].data)
KERNEL(relu, "rr", a[0].data, a[1].size, a[1].data)
KERNEL(relu_backward, "rrr", a[0].data, a[1].data, a[2].size, a[2].data)
KERNEL(leaky_relu, "rrnr", a[0].data, a[1].data, a[2].number, a[3].size, a[3].data)
KERNEL(dropout, "rnnrr", a[0].data, a[1].number, a[2].number, a[4].size, a[3].data, a[4].data)
KERNEL(multiply, "rrr", a[0].data, a[1].data, a[2].size, a[2].data)
KERNEL(row_sums, "rwwr", a[0].data, a[1].whole, a[2].whole, a[3].data)
KERNEL(gather, "birrwr", a[0].data, a[0].size, a[1].data, a[1].size, a[2].data, a[2].size, a[3].data, a[3].size,
       a[4].whole, a[5].data)
KERNEL(warp, "bwwwwbr", a[0].data, a[1].whole, a[2].whole, a[3].whole, a[4].whole, a[5].data, a[6].data)
KERNEL(norm_statistics, "rwwrr", a[0].data, a[1].whole, a[2].whole, a[3].data, a[4].data)
KERNEL(norm_forward, "rrrrrwwwr", a[0].data, a[1].data, a[2].data, a[3].data, a[4].data, (int)a[5].whole, a[6].whole,
       a[7].whole, a[8].data)
KERNEL(norm_backward, "rrrrrrwwwwrrr", a[0].data, a[1].data, a[2].data, a[3].data, a[4].data, a[5].data,
       (int)a[6].whole, (int)a[7].whole, a[8].whole, a[9].whole, a[10].data, a[11].data, a[12].data)
KERNEL(sgd, "rnnr", a[0].data, a[1].number, a[2].number, a[3].size, a[3].data)
KERNEL(momentum, "rrnnnr", a[0].data, a[1].data, a[2].number, a[3].number, a[4].number, a[5].size, a[5].data)
KERNEL(nesterov, "rrnnnr", a[0].data, a[1].data, a[2].number, a[3].number, a[4].number, a[5].size, a[5].data)
KERNEL(adam, "rrrnnnnnnnr", a[0].data, a[1].data, a[2].data, a[3].number, a[4].number, a[5].number, a[6].number,
       a[7].number, a[8].number, a[9].number, a[10].size, a[10].data)

static PyObject *py_set_threads(PyObject *self, PyObject *count) {
    (void)self;
    long threads = PyLong_AsLong(count);
    if (PyErr_Occurred()) {
        return NULL;
    }
    set_threads((int)threads);
    Py_RETURN_NONE;
}

/* supports(name): whether this processor runs the module of that name. Asked of the plain one, which every one runs. */
static PyObject *py_supports(PyObject *self, PyObject *object) {
    (void)self;
    const char *name = PyUnicode_AsUTF8(object);
    if (!name) {
        return NULL;
    }
    int runs = strcmp(name, "plain") == 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    int avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                 __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
    runs = runs || (strcmp(name, "avx2") == 0 && avx2) || (strcmp(name, "avx512") == 0 && avx512);
#endif
    return PyBool_FromLong(runs);
}

#define METHOD(name) {#name, (PyCFunction)(void (*)(void))py_##name, METH_FASTCALL, NULL}

static PyMethodDef methods[] = {
    {"supports", py_supports, METH_O, NULL},
    {"set_threads", py_set_threads, METH_O, NULL},
    METHOD(contract),
    METHOD(matrix_vector),
    METHOD(transpose),
    METHOD(weight_gradient),
    METHOD(winograd),
    METHOD(winograd_weight),
    METHOD(pool_max),
    METHOD(pool_max_backward),
    METHOD(pool_average),
    METHOD(pool_average_backward),
    METHOD(cross_entropy),
    METHOD(relu),
    METHOD(relu_backward),
    METHOD(leaky_relu),
    METHOD(dropout),
    METHOD(multiply),
    METHOD(row_sums),
    METHOD(gather),
    METHOD(warp),
    METHOD(norm_statistics),
    METHOD(norm_forward),
    METHOD(norm_backward),
    METHOD(sgd),
    METHOD(momentum),
    METHOD(nesterov),
    METHOD(adam),
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "kernels", .m_size = -1, .m_methods = methods};

#define INIT(name) INIT_OF(name)
#define INIT_OF(name) PyInit_##name
#define TEXT(name) TEXT_OF(name)
#define TEXT_OF(name) #name

PyMODINIT_FUNC INIT(MODULE)(void) {
    import_array();
    PyObject *module = PyModule_Create(&definition);
    if (module && PyModule_AddStringConstant(module, "fingerprint", TEXT(FINGERPRINT)) < 0) {
        Py_CLEAR(module);
    }
    return module;
}
