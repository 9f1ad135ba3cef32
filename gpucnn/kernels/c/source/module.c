/* The kernels as a Python module: each function takes NumPy arrays, checks them, and computes without Python's lock.
 *
 * Compiled once for each instruction set, under the name MODULE, with the FINGERPRINT of these sources. Types are checked here; that shapes fit together is
 * left to the Python files in the folder above.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#include <numpy/arrayobject.h>
#include <string.h>

#include "activation.h"
#include "arithmetic.h"
#include "batch.h"
#include "clip.h"
#include "contract.h"
#include "conv_pool.h"
#include "curves.h"
#include "gather.h"
#include "losses.h"
#include "maps.h"
#include "matrix_vector.h"
#include "norm.h"
#include "pad.h"
#include "pool.h"
#include "program.h"
#include "random.h"
#include "rows_product.h"
#include "softmax.h"
#include "step.h"
#include "running.h"
#include "sums.h"
#include "targets.h"
#include "threads.h"
#include "update.h"
#include "transpose.h"
#include "warp.h"
#include "weight_gradient.h"
#include "winograd.h"

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
    argument->bytes = PyArray_NBYTES(array);
    return 1;
}

/* NumPy's type of an array of a kind, in lower case. */
static int array_type(char kind, int real) {
    switch (kind) {
    case 'i': case 'l': case 'm': return NPY_INT64;
    case 'b': case 'u': return NPY_UINT8;
    case 'd': return NPY_FLOAT64;
    case 'f': return NPY_FLOAT32;
    case 'y': return NPY_BOOL;
    default: return real;
    }
}

/* Reads one argument of a kind. Of arrays: 'r' of `real`, 'b' of uint8, 'l' of int64; the same or None: 'o', 'u', 'm',
 * 'd' of float64, 'f' of float32, 'y' of bool. These in upper case: written to. Arrays that never change: 'c' of
 * `real`, 'i' of int64; 'k' of `real`, or None. 'n' a number, 'w' a whole number, 'g' NumPy's generator of bits, in a capsule. */
static int read_argument(PyObject *object, char kind, int real, Argument *argument, Use *use) {
    *argument = (Argument){0};
    char lower = (char)(kind | 0x20);
    *use = kind != lower ? WRITTEN : READ;
    switch (lower) {
    case 'n': argument->number = PyFloat_AsDouble(object), *use = NO_MEMORY; break;
    case 'w': argument->whole = PyLong_AsLongLong(object), *use = NO_MEMORY; break;
    case 'g': argument->data = PyCapsule_GetPointer(object, "BitGenerator"), *use = CONSTANT; break;
    case 'i': case 'c': case 'k': *use = CONSTANT; return (lower == 'k' && object == Py_None) || read_array(object, array_type(lower, real), argument);
    default:
        if (strchr("oumdfy", lower) && object == Py_None) {
            return 1;
        }
        return read_array(object, array_type(lower, real), argument);
    }
    return PyErr_Occurred() == NULL;
}

/* Reads arguments of these kinds; if the last is a real array, it says what `real` is. Returns that, float32 or
 * float64; -1, with an exception set, where an argument is of another kind. */
static int read_arguments(PyObject *const *objects, Py_ssize_t count, const char *kinds, Argument *arguments,
                          Use *uses) {
    if (count != (Py_ssize_t)strlen(kinds)) {
        PyErr_Format(PyExc_TypeError, "expected %zu arguments, given %zd", strlen(kinds), count);
        return -1;
    }
    PyObject *last = objects[count - 1];
    int real = PyArray_Check(last) ? PyArray_TYPE((PyArrayObject *)last) : NPY_NOTYPE;
    real = real == NPY_FLOAT64 ? NPY_FLOAT64 : NPY_FLOAT32;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!read_argument(objects[i], kinds[i], real, arguments + i, uses + i)) {
            return -1;
        }
    }
    return real;
}

/* Runs a kernel, and adds the call to the program that is recorded. */
static PyObject *run_kernel(const char *name, const char *kinds, Call call_float, Call call_double,
                            PyObject *const *objects, Py_ssize_t count) {
    Argument arguments[MOST_ARGUMENTS];
    Use uses[MOST_ARGUMENTS];
    int real = read_arguments(objects, count, kinds, arguments, uses);
    Call call = real == NPY_FLOAT64 ? call_double : call_float;
    if (real < 0 || !record_call(name, call, arguments, uses, objects, count)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    call(arguments);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

#define FUNCTION(name, kinds, call_float, call_double)                                                              \
    static PyObject *py_##name(PyObject *self, PyObject *const *objects, Py_ssize_t count) {                        \
        _Static_assert(sizeof(kinds) - 1 <= MOST_ARGUMENTS, "more arguments than a call holds");                    \
        (void)self;                                                                                                 \
        return run_kernel(#name, kinds, call_float, call_double, objects, count);                                   \
    }

/* A function of the module: KERNEL(name, kinds of arguments, what name_float and name_double are called with). */
#define KERNEL(name, kinds, ...)                                                                                    \
    static void name##_of_float(const Argument *a) { name##_float(__VA_ARGS__); }                                   \
    static void name##_of_double(const Argument *a) { name##_double(__VA_ARGS__); }                                 \
    FUNCTION(name, kinds, name##_of_float, name##_of_double)

/* The same for a function that works on no real arrays. */
#define PLAIN_KERNEL(name, kinds, ...)                                                                              \
    static void name##_of_any(const Argument *a) { name(__VA_ARGS__); }                                             \
    FUNCTION(name, kinds, name##_of_any, name##_of_any)

KERNEL(contract, "irrowOR", a[0].data, a[1].data, a[2].data, a[3].data, (int)a[4].whole, a[5].data, a[6].data)
KERNEL(conv_pool, "iirroUwR", a[0].data, a[1].data, a[2].data, a[3].data, a[4].data, a[5].data, (int)a[6].whole,
       a[7].data)
KERNEL(matrix_vector, "rwwrowR", a[0].data, a[1].whole, a[2].whole, a[3].data, a[4].data, (int)a[5].whole, a[6].data)
KERNEL(pad, "irR", a[0].data, a[1].data, a[2].data)
KERNEL(rows_product, "irrOR", a[0].data, a[1].data, a[2].data, a[3].data, a[4].data)
KERNEL(transpose, "rwwR", a[0].data, a[1].whole, a[2].whole, a[3].data)
KERNEL(weight_gradient, "irrOR", a[0].data, a[1].data, a[2].data, a[3].data, a[4].data)
KERNEL(weight_gradient_pooled, "iirrbOR", a[0].data, a[1].data, a[2].data, a[3].data, a[4].data, a[5].data, a[6].data)
KERNEL(winograd, "irrowRR", a[0].data, a[1].data, a[2].data, a[3].data, (int)a[4].whole, a[5].data, a[6].data)
KERNEL(winograd_weight, "irrRR", a[0].data, a[1].data, a[2].data, a[3].data, a[4].data)
KERNEL(pool_max, "irUwR", a[0].data, a[1].data, a[2].data, (int)a[3].whole, a[4].data)
KERNEL(pool_max_backward, "irbR", a[0].data, a[1].data, a[2].data, a[3].data)
KERNEL(pool_average, "ircR", a[0].data, a[1].data, a[2].data, a[3].data)
KERNEL(pool_average_backward, "ircR", a[0].data, a[1].data, a[2].data, a[3].data)
KERNEL(cross_entropy, "rlwnnORR", a[0].data, a[1].data, a[2].whole, a[1].size, a[3].number, a[4].number, a[5].data,
       a[6].data, a[7].data)
KERNEL(softmax, "rwwR", a[0].data, a[0].size, a[1].whole, a[2].whole, a[3].data)
KERNEL(relu, "rR", a[0].data, a[1].size, a[1].data)
KERNEL(relu_backward, "rrR", a[0].data, a[1].data, a[2].size, a[2].data)
KERNEL(leaky_relu, "rrnR", a[0].data, a[1].data, a[2].number, a[3].size, a[3].data)
KERNEL(dropout, "rnnRR", a[0].data, a[1].number, a[2].number, a[4].size, a[3].data, a[4].data)
KERNEL(multiply, "rrR", a[0].data, a[1].data, a[2].size, a[2].data)
KERNEL(row_sums, "rwwR", a[0].data, a[1].whole, a[2].whole, a[3].data)
KERNEL(gather, "blrrwR", a[0].data, a[0].size, a[1].data, a[1].size, a[2].data, a[2].size, a[3].data, a[3].size,
       a[4].whole, a[5].data)
KERNEL(warp, "bwwwwBor", a[0].data, a[1].whole, a[2].whole, a[3].whole, a[4].whole, a[5].data, a[6].data, a[7].data)
KERNEL(norm_statistics, "rwwRR", a[0].data, a[1].whole, a[2].whole, a[3].data, a[4].data)
KERNEL(norm_forward, "rrrrrwwwR", a[0].data, a[1].data, a[2].data, a[3].data, a[4].data, (int)a[5].whole, a[6].whole,
       a[7].whole, a[8].data)
KERNEL(norm_backward, "rrrrrrwwwwRRR", a[0].data, a[1].data, a[2].data, a[3].data, a[4].data, a[5].data,
       (int)a[6].whole, (int)a[7].whole, a[8].whole, a[9].whole, a[10].data, a[11].data, a[12].data)
KERNEL(sgd, "rdnnR", a[0].data, a[1].data, a[2].number, a[3].number, a[4].size, a[4].data)
KERNEL(momentum, "rRdnnnR", a[0].data, a[1].data, a[2].data, a[3].number, a[4].number, a[5].number, a[6].size,
       a[6].data)
KERNEL(nesterov, "rRdnnnR", a[0].data, a[1].data, a[2].data, a[3].number, a[4].number, a[5].number, a[6].size,
       a[6].data)
KERNEL(adam, "rRRdnnnnnnnR", a[0].data, a[1].data, a[2].data, a[3].data, a[4].number, a[5].number, a[6].number,
       a[7].number, a[8].number, a[9].number, a[10].number, a[11].size, a[11].data)
KERNEL(rmsprop, "rRRRdnnnnnwR", a[0].data, a[1].data, a[2].data, a[3].data, a[4].data, a[5].number, a[6].number,
       a[7].number, a[8].number, a[9].number, (int)a[10].whole, a[11].size, a[11].data)
KERNEL(muon_direction, "rRdnwR", a[0].data, a[1].data, a[2].data, a[3].number, (int)a[4].whole, a[5].size, a[5].data)
KERNEL(add, "rrR", a[0].data, a[1].data, a[2].size, a[2].data)
KERNEL(scale_by, "rrR", a[0].data, a[1].data, a[2].size, a[2].data)
KERNEL(copy, "rR", a[0].data, a[1].size, a[1].data)
KERNEL(fill, "nR", a[0].number, a[1].size, a[1].data)
KERNEL(sigmoid, "rR", a[0].data, a[1].size, a[1].data)
KERNEL(sigmoid_backward, "rrR", a[0].data, a[1].data, a[2].size, a[2].data)
KERNEL(scaled_tanh, "rnnRR", a[0].data, a[1].number, a[2].number, a[4].size, a[3].data, a[4].data)
KERNEL(scaled_tanh_backward, "rrnR", a[0].data, a[1].data, a[2].number, a[3].size, a[3].data)
KERNEL(map_means, "rwwwR", a[0].data, a[1].whole, a[2].whole, a[3].whole, a[4].data)
KERNEL(map_shares, "rwwwR", a[0].data, a[1].whole, a[2].whole, a[3].whole, a[4].data)
KERNEL(square_sum, "Dwr", a[0].data, a[1].whole, a[2].size, a[2].data)
KERNEL(norm_of, "dR", a[0].data, a[0].size, a[1].data)
KERNEL(clip_norm, "rnR", a[0].data, a[1].number, a[2].size, a[2].data)
KERNEL(unit_norm, "rnR", a[0].data, a[1].number, a[2].size, a[2].data)
KERNEL(scale, "nR", a[0].number, a[1].size, a[1].data)
KERNEL(clip_value, "nR", a[0].number, a[1].size, a[1].data)
KERNEL(uniform, "gR", a[0].data, a[1].size, a[1].data)
KERNEL(norm_inverse, "rnR", a[0].data, a[1].number, a[2].size, a[2].data)
KERNEL(norm_move, "rnnR", a[0].data, a[1].number, a[2].number, a[3].size, a[3].data)
KERNEL(gather_floats, "flrrwR", a[0].data, a[0].size, a[1].data, a[2].data, a[2].size, a[3].data, a[3].size,
       a[4].whole, a[5].size / a[4].whole, a[5].data)
KERNEL(tally, "lrlDLDwwr", a[0].data, a[1].data, a[2].data, a[3].data, a[4].data, a[5].data, a[6].whole, a[7].whole,
       a[8].size / a[7].whole, a[8].data)
#define CURVE(name)                                                                                                 \
    KERNEL(name, "rnnR", a[0].data, a[1].number, a[2].number, a[3].size, a[3].data)                                 \
    KERNEL(name##_backward, "rrnnR", a[0].data, a[1].data, a[2].number, a[3].number, a[4].size, a[4].data)
CURVE(gelu)
CURVE(gelu_tanh)
CURVE(silu)
CURVE(elu)
CURVE(hardswish)
CURVE(softplus)
#define LOSS(name)                                                                                                  \
    KERNEL(name, "rrkknnODwR", &(LossPlan){a[8].whole, a[0].size / a[8].whole, a[2].data, a[3].data, a[4].number,   \
                                           a[5].number}, a[0].data, a[1].data, a[6].data, a[7].data, a[9].data)
LOSS(squared_error)
LOSS(absolute_error)
LOSS(smooth_error)
LOSS(logit_loss)
KERNEL(class_targets, "lcwnwR", a[0].data, a[1].data, a[2].whole, a[3].number, (int)a[4].whole, a[1].size, a[0].size,
       a[5].data)
KERNEL(target_entropy, "rrkwnnORR", a[0].data, a[1].data, a[2].data, a[3].whole, a[0].size / a[3].whole, a[4].number,
       a[5].number, a[6].data, a[7].data, a[8].data)
KERNEL(add_to_rows, "rR", a[0].data, a[0].size, a[1].size / a[0].size, a[1].data)
PLAIN_KERNEL(begin_step, "ldLD", a[0].data, a[1].data, a[3].size / 4, a[2].data, a[3].data)
PLAIN_KERNEL(count, "wL", a[0].whole, a[1].data)
PLAIN_KERNEL(choose, "lllLL", a[0].data, a[0].size, a[1].data, a[2].data, a[3].size, a[3].data, a[4].data)
PLAIN_KERNEL(copy_rows, "blwB", a[0].data, a[0].size, a[1].data, a[2].whole, a[3].size, a[3].data)
PLAIN_KERNEL(copy_images, "blLB", a[0].data, a[1].data, a[1].size, a[2].data, a[3].size, a[3].data)
PLAIN_KERNEL(move, "bmymwwwwwwB", a[0].data, a[1].data, a[2].data, a[3].data, a[4].whole, a[5].whole, a[6].whole,
             a[7].whole, a[8].whole, a[9].whole, a[10].data)

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
    const char *name = PyUnicode_AsUTF8AndSize(object, NULL);
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
    METHOD(conv_pool),
    METHOD(pad),
    METHOD(rows_product),
    METHOD(transpose),
    METHOD(weight_gradient),
    METHOD(weight_gradient_pooled),
    METHOD(winograd),
    METHOD(winograd_weight),
    METHOD(pool_max),
    METHOD(pool_max_backward),
    METHOD(pool_average),
    METHOD(pool_average_backward),
    METHOD(cross_entropy),
    METHOD(softmax),
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
    METHOD(rmsprop),
    METHOD(muon_direction),
    METHOD(add),
    METHOD(scale_by),
    METHOD(copy),
    METHOD(fill),
    METHOD(sigmoid),
    METHOD(sigmoid_backward),
    METHOD(scaled_tanh),
    METHOD(scaled_tanh_backward),
    METHOD(map_means),
    METHOD(map_shares),
    METHOD(square_sum),
    METHOD(norm_of),
    METHOD(clip_norm),
    METHOD(unit_norm),
    METHOD(scale),
    METHOD(clip_value),
    METHOD(uniform),
    METHOD(norm_inverse),
    METHOD(norm_move),
    METHOD(gather_floats),
    METHOD(gelu),
    METHOD(gelu_backward),
    METHOD(gelu_tanh),
    METHOD(gelu_tanh_backward),
    METHOD(silu),
    METHOD(silu_backward),
    METHOD(elu),
    METHOD(elu_backward),
    METHOD(hardswish),
    METHOD(hardswish_backward),
    METHOD(softplus),
    METHOD(softplus_backward),
    METHOD(squared_error),
    METHOD(absolute_error),
    METHOD(smooth_error),
    METHOD(logit_loss),
    METHOD(class_targets),
    METHOD(target_entropy),
    METHOD(add_to_rows),
    METHOD(tally),
    METHOD(begin_step),
    METHOD(count),
    METHOD(choose),
    METHOD(copy_rows),
    METHOD(copy_images),
    METHOD(move),
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
    if (module &&
        (PyModule_AddStringConstant(module, "fingerprint", TEXT(FINGERPRINT)) < 0 || !add_program_type(module))) {
        Py_CLEAR(module);
    }
    return module;
}
