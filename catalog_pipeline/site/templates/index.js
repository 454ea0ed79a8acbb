/* What can be searched for: [name, kind, address, description]. */
const INDEX = {{ entries | tojson }};
