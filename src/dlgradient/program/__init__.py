"""Programs: what a function computed, recorded once and replayed.

`dlaccelerate` records a call of a function as a flat list of operations. It improves the list,
prints it as a Python function, and answers later calls with that. The value, its gradients and an
update are lines alike: in a recorded call the backward walk is traced, so that it is in the graph
too. The modules, in the order in which a call meets them:

=============  ===================================================================================
`structure`    arguments and results as arrays, and a key of all else
`watch`        what the function reads besides its arguments, and whether it has changed
`recorder`     follows one call: what Python reads of values, and what no program can repeat
`draws`        random numbers, which each call draws anew
`lines`        the array program, made of the graph: lines, checks, results; data only
`passes`       constant folding, common subexpressions, dead code, compiled loops, tiles
`lowering`     elementwise lines as steps of a compiled loop
`compiled`     which programs have compiled loops
`floats`       which scalars are Python's floats
`buffers`      where large intermediate results are
`rooms`        memory for them, kept between calls
`numpy_printer` the program as the text of a function
`entry`        looks at the arguments of a call, answers it, and wraps the results
`machine`      the same as one function of machine code, for small programs
`path`         one program with its watch and its result
`cache`        paths by keys, the least recently used forgotten
`accelerate`   `dlaccelerate` and what users see of all this
`explain`      the words of ``explain()``
`listing`      `dltrace`: the trace of a function as text
=============  ===================================================================================

A replay is never stale. A call is answered only if all that its result depends on is in the
program, or is the same as in the recorded call:

* arguments: arrays are inputs of the program; all else is in the key, by value;
* what Python reads of a value (``bool``, ``item``, an index that is a dlarray) is a check, at its
  place in the program. So are the decisions of the library's own functions. A call that fails one
  records another path;
* captured values, globals, defaults, attributes and code are watched, arrays by their content;
* a path answers only after two calls have recorded the same program. So what differs from call to
  call is in none, as counts and clocks. Random numbers are lines, which draw from the generator of
  the call. Draws of the user's own code are noticed at once, as one of two branches could be taken
  twice;
* a function that changes what it reads runs eagerly, and so does one of which nothing is known.

Eager calls are the reference: whatever raises in a program is computed eagerly again.
"""
