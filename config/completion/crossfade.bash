# bash completion for crossfade(1)

_crossfade_options()
{
	case $1 in
	serve) echo --config --check ;;
	status) echo --config --console --server ;;
	flags) echo list set history --config --console --reason --force --format ;;
	cutover) echo --config --console --group --reverse --dry-run --timeout --max-stall --no-view --force --reason ;;
	rewrite) echo --config --map --flags --stage --catalog --search-path --user --database --explain ;;
	report) echo --config --ledger --format --table --ready --diff --app --user --since --until --side --statements --from --line-prefix --database ;;
	check) echo --config --format --grants --capture --write --propose --old --new --database ;;
	config) echo --config --defaults --markdown ;;
	esac
}

# What may follow an option that takes a value; fails for others.
_crossfade_value()
{
	local option=$1 word=$2
	case $option in
	-c | --config | --ledger | --from | --catalog | --map | --flags) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	--format) mapfile -t COMPREPLY < <(compgen -W 'text json csv html' -- "$word") ;;
	--side) mapfile -t COMPREPLY < <(compgen -W 'old new' -- "$word") ;;
	--timeout | --max-stall) mapfile -t COMPREPLY < <(compgen -W '200ms 500ms 2s 60s 5min' -- "$word") ;;
	--since | --until | --diff) mapfile -t COMPREPLY < <(compgen -W '1h 1d 7d 35d' -- "$word") ;;
	--group | --table | --ready | --app | --user | --statements | --stage | --console | --reason | --search-path | --database | --old | --new | --line-prefix) COMPREPLY=() ;;
	*) return 1 ;;
	esac
}

_crossfade()
{
	local word=${COMP_WORDS[COMP_CWORD]} before= command=
	COMPREPLY=()
	((COMP_CWORD > 1)) && before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}
	# bash splits --format=js into three words.
	if [[ $word == = ]]; then
		word=
	elif [[ $before == = ]] && ((COMP_CWORD > 2)); then
		before=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	if [[ -z $command ]]; then
		mapfile -t COMPREPLY < <(compgen -W 'serve status flags cutover rewrite report check config --help --version' -- "$word")
	elif ! _crossfade_value "$before" "$word"; then
		mapfile -t COMPREPLY < <(compgen -W "$(_crossfade_options "$command") --help" -- "$word")
	fi
}

complete -o filenames -F _crossfade crossfade
