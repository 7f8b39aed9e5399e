# GH_ENABLE_PLUGIN(NAME, DEFAULT, PKG-CONFIG-MODULES)
# Adds --enable-plugin-NAME / --disable-plugin-NAME, sets the conditional PLUGIN_NAME (upper case)
# and, when the plugin needs libraries, NAME_CFLAGS and NAME_LIBS.  A plugin that was asked for but
# cannot be built is an error; one that is on by default is left out with the reason recorded.
AC_DEFUN([GH_ENABLE_PLUGIN], [
  m4_pushdef([GH_UP], [m4_toupper([$1])])dnl
  AC_ARG_ENABLE([plugin-$1],
    [AS_HELP_STRING([--enable-plugin-$1], [build the plugin $1 (default: $2)])],
    [gh_want_$1=$enableval], [gh_want_$1=default])
  gh_on_$1=no
  gh_why_$1="switched off"
  AS_IF([test "x$gh_want_$1" != xno && { test "x$gh_want_$1" = xyes || test "x$2" = xyes; }], [
    m4_ifblank([$3], [gh_on_$1=yes], [
      PKG_CHECK_MODULES(GH_UP, [$3], [gh_on_$1=yes], [gh_why_$1="needs $3"])])
  ], [AS_IF([test "x$2" = xno], [gh_why_$1="its library was not found"])])
  AS_IF([test "x$gh_want_$1" = xyes && test "x$gh_on_$1" = xno],
    [AC_MSG_ERROR([plugin $1: $gh_why_$1])])
  AS_IF([test "x$gh_on_$1" = xyes],
    [GH_PLUGINS_ON="$GH_PLUGINS_ON $1"],
    [GH_PLUGINS_OFF="$GH_PLUGINS_OFF $1 ($gh_why_$1)"])
  AM_CONDITIONAL([PLUGIN_]GH_UP, [test "x$gh_on_$1" = xyes])
  AC_SUBST([GH_PLUGINS_ON])
  AC_SUBST([GH_PLUGINS_OFF])
  m4_popdef([GH_UP])dnl
])
