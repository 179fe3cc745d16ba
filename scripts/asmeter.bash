# SPDX-License-Identifier: BSD-2-Clause
# bash completion for asmeter and asmeterd

_asmeter_interfaces() {
	local i
	for i in /sys/class/net/*; do
		echo "${i##*/}"
	done
}

_asmeter() {
	local cur=${COMP_WORDS[COMP_CWORD]} verb='' words i
	local verbs='status top as lookup interfaces peers flows check doctor attach confirm detach help version'

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
	case ${COMP_WORDS[COMP_CWORD - 1]} in
	--mode | -m) words='auto native tc generic' ;;
	--by | -b) words='bytes packets wire' ;;
	--dir | -d) words='in out both' ;;
	--when | -w) words='last smooth total' ;;
	--protocol | -P) words='tcp udp icmp icmp6 gre esp ah sctp ospf' ;;
	--interface | -I) words=$(_asmeter_interfaces) ;;
	*)
		case $verb in
		'') words="$verbs --json --socket --help --version" ;;
		top) words='--pairs --once --interval --count --by --dir --when --as --json' ;;
		flows) words='--once --count --interval --as --prefix --port --protocol --interface --dir --json' ;;
		as) words='--count --by --when --json' ;;
		attach) words="--mode --confirm $(_asmeter_interfaces)" ;;
		confirm) words="$(_asmeter_interfaces)" ;;
		detach) words="--all $(_asmeter_interfaces)" ;;
		doctor) words="--json $(_asmeter_interfaces)" ;;
		check)
			compopt -o filenames 2>/dev/null
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return
			;;
		*) words=--json ;;
		esac
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

_asmeterd() {
	local cur=${COMP_WORDS[COMP_CWORD]}

	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen -f -W "--config --check --dump-config-reference --help --version" -- "$cur")
}

complete -F _asmeter asmeter
complete -F _asmeterd asmeterd
