# The product has nothing of the pauses: cmake -DNM=… -DPRODUCT=LIBRARY -DPAUSED=LIBRARY -P no_pauses.cmake
foreach(library PRODUCT PAUSED)
  execute_process(COMMAND ${NM} ${${library}} OUTPUT_VARIABLE symbols ERROR_QUIET COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^\n]*(PauseAt|percpu_rseq_(spins|aborts))[^\n]*" found_${library} "${symbols}")
endforeach()
if(found_PRODUCT)
  message(FATAL_ERROR "the product refers to pauses: ${found_PRODUCT}")
endif()
# The same search finds them where they are.
if(NOT found_PAUSED)
  message(FATAL_ERROR "the paused build has no pauses: this test looks for the wrong names")
endif()
