#include "program.h"

#include <stdbool.h>
#include <string.h>

typedef struct {
    Call call;
    int64_t first; /* of its arguments */
} Entry;

typedef struct {
    const char *start, *end;
    bool written;
} Range;

typedef struct {
    PyObject_HEAD
    Entry *entries;
    Argument *arguments;
    Range *ranges;
    int64_t entry_count, argument_count, range_count; /* and how many there is room for: */
    int64_t entry_room, argument_room, range_room;
    PyObject *held; /* a list of the objects whose memory the arguments point to */
} Program;

static _Thread_local Program *recorded; /* what this thread records, or NULL */

/* Make room for `more` elements behind the first `count`; the array may move. */
static bool reserve(void **array, int64_t *room, int64_t count, int64_t more, size_t size) {
    if (count + more > *room) {
        int64_t wanted = 2 * (count + more);
        void *moved = PyMem_Realloc(*array, (size_t)wanted * size);
        if (!moved) {
            PyErr_NoMemory();
            return false;
        }
        *array = moved;
        *room = wanted;
    }
    return true;
}

#define RESERVE(array, room, count, more) reserve((void **)&(array), &(room), count, more, sizeof(*(array)))

/* The range that holds all of an array; NULL if there is none. */
static Range *range_of(const Program *program, const Argument *array) {
    const char *start = array->data;
    for (int64_t i = 0; i < program->range_count; i++) {
        Range *range = program->ranges + i;
        if (range->start <= start && start + array->bytes <= range->end) {
            return range;
        }
    }
    return NULL;
}

/* Whether an argument may be used so. */
static bool check_use(const Program *program, const char *name, const Argument *argument, Use use, Py_ssize_t number) {
    if ((use != READ && use != WRITTEN) || !argument->data || !argument->bytes) {
        return true;
    }
    Range *range = range_of(program, argument);
    if (!range || (use == READ && !range->written)) {
        PyErr_Format(PyExc_RuntimeError, "argument %zd of %s is memory that no recorded kernel wrote", number, name);
        return false;
    }
    return true;
}

static bool append(Program *program, Call call, const Argument *arguments, const Use *uses, PyObject *const *objects,
                   Py_ssize_t count) {
    if (!RESERVE(program->entries, program->entry_room, program->entry_count, 1) ||
        !RESERVE(program->arguments, program->argument_room, program->argument_count, count)) {
        return false;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (uses[i] == CONSTANT && PyList_Append(program->held, objects[i]) < 0) {
            return false;
        }
        if (uses[i] == WRITTEN && arguments[i].data && arguments[i].bytes) {
            range_of(program, arguments + i)->written = true;
        }
    }
    program->entries[program->entry_count++] = (Entry){call, program->argument_count};
    memcpy(program->arguments + program->argument_count, arguments, (size_t)count * sizeof(*arguments));
    program->argument_count += count;
    return true;
}

int record_call(const char *name, Call call, const Argument *arguments, const Use *uses, PyObject *const *objects,
                Py_ssize_t count) {
    if (!recorded) {
        return 1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!check_use(recorded, name, arguments + i, uses[i], i)) {
            return 0;
        }
    }
    return append(recorded, call, arguments, uses, objects, count);
}

/* --- the type ------------------------------------------------------------------------------------------------------ */

static PyObject *new_program(PyTypeObject *type, PyObject *arguments, PyObject *options) {
    (void)arguments, (void)options;
    Program *program = (Program *)PyType_GenericAlloc(type, 0); /* filled with zeros */
    if (program && !(program->held = PyList_New(0))) {
        Py_CLEAR(program);
    }
    return (PyObject *)program;
}

static void free_program(PyObject *self) {
    Program *program = (Program *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyMem_Free(program->entries);
    PyMem_Free(program->arguments);
    PyMem_Free(program->ranges);
    Py_XDECREF(program->held);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyObject *begin(PyObject *self, PyObject *none) {
    (void)none;
    if (recorded) {
        PyErr_SetString(PyExc_RuntimeError, "this thread records a program already");
        return NULL;
    }
    Py_INCREF(self);
    recorded = (Program *)self;
    Py_RETURN_NONE;
}

static PyObject *end(PyObject *self, PyObject *none) {
    (void)none;
    if (recorded != (Program *)self) {
        PyErr_SetString(PyExc_RuntimeError, "this thread does not record this program");
        return NULL;
    }
    recorded = NULL;
    Py_DECREF(self);
    Py_RETURN_NONE;
}

/* know(memory, written): memory that calls may use; until it is written they may not read it. */
static PyObject *know(PyObject *self, PyObject *const *objects, Py_ssize_t count) {
    Program *program = (Program *)self;
    Py_buffer view;
    if (count != 2 || PyObject_GetBuffer(objects[0], &view, PyBUF_SIMPLE) < 0) {
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_TypeError, "expected 2 arguments, given %zd", count);
    }
    Range range = {view.buf, (const char *)view.buf + view.len, PyObject_IsTrue(objects[1]) == 1};
    PyBuffer_Release(&view);
    for (int64_t i = 0; i < program->range_count; i++) {
        if (program->ranges[i].start == range.start && program->ranges[i].end == range.end) {
            program->ranges[i].written = range.written;
            Py_RETURN_NONE;
        }
    }
    if (!RESERVE(program->ranges, program->range_room, program->range_count, 1) ||
        PyList_Append(program->held, objects[0]) < 0) {
        return NULL;
    }
    program->ranges[program->range_count++] = range;
    Py_RETURN_NONE;
}

/* holds(memory): whether calls may read it: a call before, or what it is known for, wrote it. */
static PyObject *holds(PyObject *self, PyObject *object) {
    Py_buffer view;
    if (PyObject_GetBuffer(object, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    Argument memory = {.data = view.buf, .bytes = view.len};
    PyBuffer_Release(&view);
    const Range *range = range_of((Program *)self, &memory);
    return PyBool_FromLong(range && range->written);
}

/* Runs the calls first to stop - 1 `times` times; ends early once *halt is not 0. Returns how often they ran, the last
 * not to their end. */
static int64_t run_calls(const Program *program, int64_t first, int64_t stop, int64_t times,
                         const volatile double *halt) {
    for (int64_t time = 0; time < times; time++) {
        for (int64_t i = first; i < stop; i++) {
            const Entry *entry = program->entries + i;
            entry->call(program->arguments + entry->first);
            if (halt && *halt != 0) {
                return time + 1;
            }
        }
    }
    return times;
}

/* run(first, stop, times, halt): the calls first to stop - 1; halt is an array of one float64, or None. */
static PyObject *run_program(PyObject *self, PyObject *const *objects, Py_ssize_t count) {
    const Program *program = (Program *)self;
    Py_buffer view = {0};
    if (count != 4) {
        return PyErr_Format(PyExc_TypeError, "expected 4 arguments, given %zd", count);
    }
    int64_t first = PyLong_AsLongLong(objects[0]), stop = PyLong_AsLongLong(objects[1]);
    int64_t times = PyLong_AsLongLong(objects[2]);
    if (PyErr_Occurred() || (objects[3] != Py_None && PyObject_GetBuffer(objects[3], &view, PyBUF_SIMPLE) < 0)) {
        return NULL;
    }
    if (first < 0 || stop > program->entry_count) {
        PyBuffer_Release(&view);
        return PyErr_Format(PyExc_ValueError, "calls %lld to %lld of %lld", (long long)first, (long long)stop,
                            (long long)program->entry_count);
    }
    if (view.buf && view.len != (Py_ssize_t)sizeof(double)) {
        PyBuffer_Release(&view);
        return PyErr_Format(PyExc_TypeError, "expected an array of one float64");
    }
    Py_BEGIN_ALLOW_THREADS
    times = run_calls(program, first, stop, times, view.buf);
    Py_END_ALLOW_THREADS
    if (view.buf) {
        PyBuffer_Release(&view);
    }
    return PyLong_FromLongLong(times);
}

static Py_ssize_t length(PyObject *self) { return (Py_ssize_t)((Program *)self)->entry_count; }

static PyMethodDef methods[] = {
    {"begin", begin, METH_NOARGS, NULL},
    {"end", end, METH_NOARGS, NULL},
    {"know", (PyCFunction)(void (*)(void))know, METH_FASTCALL, NULL},
    {"holds", holds, METH_O, NULL},
    {"run", (PyCFunction)(void (*)(void))run_program, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, new_program},
    {Py_tp_dealloc, free_program},
    {Py_tp_methods, methods},
    {Py_sq_length, length},
    {0, NULL},
};

static PyType_Spec spec = {"gpucnn.kernels.c.Program", sizeof(Program), 0, Py_TPFLAGS_DEFAULT, slots};

int add_program_type(PyObject *module) {
    PyObject *type = PyType_FromSpec(&spec);
    int failed = !type || PyModule_AddObjectRef(module, "Program", type) < 0;
    Py_XDECREF(type);
    return !failed;
}
