// NumPy arrays to views: all argument checks and their messages.
//
// Messages read `argument: expected ..., got ...`. Shapes and values raise ValueError, dtypes TypeError.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <sstream>
#include <string>

#include "base/types.hpp"

namespace nablas {

namespace py = pybind11;

// A shape without an allocation.
struct Shape {
  static constexpr int most = 64;  // NumPy's own limit
  Shape(std::initializer_list<int64> lengths) {
    std::copy(lengths.begin(), lengths.end(), length), size = static_cast<int>(lengths.size());
  }
  explicit Shape(const py::array& array) : size(static_cast<int>(array.ndim())) {
    std::copy_n(array.shape(), size, length);
  }
  int size;
  py::ssize_t length[most];
};

[[noreturn]] void value_error(const std::string& name, const std::string& expected, const std::string& got);
[[noreturn]] void type_error(const std::string& name, const std::string& expected, const std::string& got);
std::string shape_text(const py::array& array);
std::string shape_text(const Shape& shape);  // a negative length is shown as n

// The object itself if it is an array, else converted by NumPy; TypeError if that fails.
py::array as_array(py::handle object, const char* name);
void check_dimensions(const py::array& array, int dimensions, const char* name);
void check_shape(const py::array& array, const Shape& shape, const char* name);
void check_finite_scalar(double value, const char* name);
// ValueError if the value is infinite as a T.
template <class T>
void check_held_by(double value, const char* name, double factor = 1);

// Plain arguments of Python: TypeError for another type, ValueError out of range. An integer is what has `__index__`,
// bool excluded; a number is what `float()` takes, strings excluded.
std::uint64_t integer_argument(py::handle value, const char* name, std::uint64_t least, std::uint64_t most);
double number_argument(py::handle value, const char* name);
bool flag_argument(py::handle value, const char* name);
std::string name_argument(py::handle value, const char* name);
// UTF-8 of a str, with an escape for what has none: half of a pair of surrogates.
std::string printable(py::handle text);
py::dtype dtype_argument(py::handle value, const char* name);
std::string type_name(py::handle value);

// The result of a conversion by NumPy, or the exception that pybind11's `ensure` cleared: out of memory.
inline py::array copy_of(const py::array& made, const char* name) {
  if (made) return made;
  if (PyErr_Occurred() == nullptr)
    PyErr_SetString(PyExc_MemoryError, (std::string(name) + ": no memory for a contiguous copy").c_str());
  throw py::error_already_set();
}

// A new C-contiguous array.
template <class T>
py::array new_array(const Shape& shape) {
  const auto& api = py::detail::npy_api::get();
  PyObject* array = api.PyArray_NewFromDescr_(api.PyArray_Type_, py::dtype::of<T>().release().ptr(), shape.size,
                                              const_cast<Py_intptr_t*>(shape.length), nullptr, nullptr, 0, nullptr);
  if (array == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::array>(array);
}

// A dtype's byte order, which may be given in place of '=' for the native one.
constexpr bool is_native(char order) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  constexpr char own = '>';
#else
  constexpr char own = '<';
#endif
  return order == '=' || order == '|' || order == own;
}

// C-contiguous, aligned and of native byte order: memory the kernels can use as it is.
inline bool is_plain(const py::array& array) {
  constexpr int plain = py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_ | py::detail::npy_api::NPY_ARRAY_ALIGNED_;
  const auto* proxy = py::detail::array_proxy(array.ptr());
  const char order = py::detail::array_descriptor_proxy(proxy->descr)->byteorder;
  return (proxy->flags & plain) == plain && is_native(order);
}

// Converts to plain arrays by `ensure`. pybind11's own c_style leaves a misaligned array as it is.
template <class T, int more = 0>
using PlainArray = py::array_t<T, py::array::c_style | py::detail::npy_api::NPY_ARRAY_ALIGNED_ | more>;

enum class Float { float32, float64 };
// float32 or float64 of any byte order; TypeError otherwise.
Float float_type(const py::array& array, const char* name);
const char* float_name(Float type);

// f(T{}) for the array's scalar type.
template <class F>
auto visit_float(Float type, F&& f) {
  return type == Float::float32 ? f(float{}) : f(double{});
}

template <class T>
constexpr Float float_of = sizeof(T) == 4 ? Float::float32 : Float::float64;

// The parts as `<<` writes them, one after the other.
template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream stream;
  (stream << ... << parts);
  return stream.str();
}

bool overlap(const py::array& a, const py::array& b);
// ValueError unless the array can be written and no two of its elements may share memory.
void check_output(const py::array& array, const char* name);
// OverflowError where the number of bytes does not fit in int64.
void check_size(const Shape& shape, int64 item_size, const char* name);

// The largest sum of weights; the smallest but 0 is its reciprocal.
template <class T>
constexpr double most_weight = sizeof(T) == 4 ? 0x1p96 : 0x1p960;

// The sum of weights, each finite and not negative. ValueError unless it is 0 or such that its reciprocal, and sums of
// weighted losses, are normal numbers of T. Of a `part` of all weights the sum may be as small as it likes.
template <class T>
double total_weight(const T* weights, int64 count, const char* name, bool part = false);

// An input as contiguous, aligned, native memory: the array's own or a copy of it.
template <class T>
class Input {
 public:
  Input(const py::array& array, const char* name) : array_(plain(array, name)) {}
  Input(py::handle object, const char* name) : Input(as_array(object, name), name) {}
  const T* data() const { return static_cast<const T*>(array_.data()); }
  int64 size() const { return array_.size(); }
  int64 rows() const { return array_.shape(0); }
  int64 columns() const { return array_.shape(1); }
  const py::array& array() const { return array_; }
  Matrix<const T> matrix() const { return {data(), rows(), columns(), columns()}; }
  // From now on memory of its own, which nobody else can change while the engine runs.
  Input& keep_copy() {
    py::array own = new_array<T>(Shape(array_));
    std::memcpy(own.mutable_data(), array_.data(), static_cast<std::size_t>(array_.nbytes()));
    array_ = own;
    return *this;
  }
  Input& expect(const Shape& shape, const char* name) {
    check_shape(array_, shape, name);
    return *this;
  }

 private:
  static py::array plain(const py::array& array, const char* name) {
    if (float_type(array, name) != float_of<T>)
      type_error(name, std::string(float_name(float_of<T>)) + " like the other arguments", py::str(array.dtype()));
    return is_plain(array) ? array : copy_of(PlainArray<T>::ensure(array), name);
  }
  py::array array_;
};

using Arrays = std::initializer_list<const py::array*>;  // null: an optional array that was not given

// A result: a new array, or `out`. If `out` is not contiguous native memory, overlaps an input in `apart`, or overlaps
// one in `in_place` without being the same memory, the kernel writes to new memory; `finish` copies it to `out`.
template <class T>
class Result {
 public:
  Result(py::handle out, const Shape& shape, const char* name, Arrays apart, Arrays in_place = {})
      : target_(target(out, shape, name)),
        memory_(out.is_none() || direct(apart, in_place) ? target_ : new_array<T>(shape)) {}
  T* data() { return static_cast<T*>(memory_.mutable_data()); }
  py::array finish() {
    if (!memory_.is(target_)) target_[py::ellipsis()] = memory_;
    return target_;
  }

 private:
  static py::array target(py::handle out, const Shape& shape, const char* name) {
    check_size(shape, sizeof(T), name);
    if (out.is_none()) return new_array<T>(shape);
    if (!py::isinstance<py::array>(out)) type_error(name, "an array", py::str(py::type::of(out).attr("__name__")));
    const auto array = py::reinterpret_borrow<py::array>(out);
    if (float_type(array, name) != float_of<T>) type_error(name, float_name(float_of<T>), py::str(array.dtype()));
    check_shape(array, shape, name);
    check_output(array, name);
    return array;
  }
  // Whether the kernel can write to the memory of `out`.
  bool direct(Arrays apart, Arrays in_place) const {
    bool found = is_plain(target_);
    for (const py::array* input : apart) found &= input == nullptr || !overlap(target_, *input);
    for (const py::array* input : in_place)
      found &= !overlap(target_, *input) || (input->data() == target_.data() && input->size() == target_.size());
    return found;
  }
  py::array target_, memory_;
};

// A data matrix of any element type and strides, without a copy where its type is one that `gather` knows. A long
// double becomes `widest`, by one rounding.
class AnyMatrixInput {
 public:
  AnyMatrixInput(py::handle object, const char* name, Float widest = Float::float64);
  const py::array& array() const { return array_; }
  AnyMatrix view;

 private:
  py::array array_;
};

// One class index in [0, classes) per row, as contiguous int64 in memory of its own, which nobody else can change after
// the check; ValueError names the first one out of range.
py::array_t<int64> label_array(const py::array& labels, int64 rows, int64 classes, const char* name,
                               const char* what = "class labels");
// Checks that every entry is in [lowest, highest]; ValueError names the first that is not.
template <class T>
void check_range(const Input<T>& values, double lowest, double highest, const char* name);

}  // namespace nablas
