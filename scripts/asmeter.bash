# SPDX-License-Identifier: BSD-2-Clause
# bash completion for asmeter and asmeterd

_asmeter_interfaces() {
	local i
	for i in /sys/class/net/*; do
		echo "${i##*/}"
	done
}

_asmeter() {
	local cur=${COMP_WORDS[COMP_CWORD]} verb='' i
	local verbs='status top as lookup interfaces peers check doctor attach detach help version'

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-*) ;;
		*)
			verb=${COMP_WORDS[i]}
			break
			;;
		esac
	done
	COMPREPLY=()
	case $verb in
	'')
		mapfile -t COMPREPLY < <(compgen -W "$verbs -j --json --socket --help --version" -- "$cur")
		;;
	check)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		;;
	attach | detach)
		mapfile -t COMPREPLY < <(compgen -W "$(_asmeter_interfaces)" -- "$cur")
		;;
	esac
}

_asmeterd() {
	local cur=${COMP_WORDS[COMP_CWORD]}

	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen -f -W "--config --check --help --version" -- "$cur")
}

complete -F _asmeter asmeter
complete -F _asmeterd asmeterd
