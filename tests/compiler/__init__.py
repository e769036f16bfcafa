"""The compiler's own tests; `languages` makes up small languages whose texts can be told one by one."""
