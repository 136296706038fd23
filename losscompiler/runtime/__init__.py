"""What emitted modules are made of: functions of ``keras.ops`` that are copied into them as they stand."""
